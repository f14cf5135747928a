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

chaos:
	@echo 'make chaos: to come; it will kill and pause servers for a while, and count records'

soak:
	@echo 'make soak: to come; it will run for hours, and watch memory'
