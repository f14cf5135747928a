# For GNU make and BSD make. Everything that is built or run lies below target/.

.PHONY: build demo check bench chaos soak

build:
	cargo build --release

# alco with private servers and sample logs; prints the address of the page
demo:
	@tests/demo

# installs what the tests need, and runs them all
check:
	@tests/packages check
	@tests/check

# how fast, how much memory, how much CPU
bench:
	@tests/packages demo
	cargo bench --bench bench

# nothing lost, nothing twice, while servers die for some minutes; make check runs a short form of it
chaos:
	@tests/packages check
	CHAOS_SECONDS=$${CHAOS_SECONDS:-420} CHAOS_FAULTS=$${CHAOS_FAULTS:-40} cargo test --test chaos

# every test in its full form, where make check runs a short one
soak:
	@tests/packages check
	ALCO_SOAK=1 cargo test --test stack
