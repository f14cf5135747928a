# For GNU make and BSD make. All that is built or run is below target/.

.PHONY: build demo check bench chaos deny fuzz fresh soak install uninstall package

build:
	cargo build --release --bin alco

# alco with private servers and sample logs; prints the address of the page
demo:
	@tests/demo

# installs what the tests need, and runs them all
check:
	@tests/packages check
	@tests/check

# the speed, memory and CPU time of collecting and searching
bench:
	@tests/packages demo
	cargo bench --bench bench

# no record is lost or stored twice while servers are killed for seven minutes; make check runs a short form
chaos:
	@tests/packages check
	CHAOS_SECONDS=$${CHAOS_SECONDS:-420} CHAOS_FAULTS=$${CHAOS_FAULTS:-40} cargo test --test chaos

# licences, doubled crates, sources and advisories of all that is linked; make check does it but for the advisories
deny:
	@tests/deny all

# looks for bytes that break what reads strangers' bytes, a minute for each kind; FUZZ_SECONDS changes that
fuzz:
	@fuzz/run $${FUZZ_SECONDS:-60}

# checks that tests/packages installs every program that the tests call on a new Debian; six minutes, as root
fresh:
	@tests/packages check
	@tests/fresh

# every test in its full form, where make check runs a short one or none
soak: fresh deny
	ALCO_SOAK=1 cargo test --bin alco exact::
	ALCO_SOAK=1 cargo test --test stack -- --include-ignored

# The places of the files, for example: make install PREFIX=/usr SYSCONFDIR=/etc DESTDIR=/tmp/stage. make uninstall with the same
# settings removes the files again; an alco.ini that was changed stays.
PREFIX = /usr/local
DESTDIR =
SYSCONFDIR = $(PREFIX)/etc
DATADIR = $(PREFIX)/share/alco
DOCDIR = $(PREFIX)/share/doc/alco
MANDIR = $(PREFIX)/share/man
UNITDIR = $(PREFIX)/lib/systemd/system
ZSHDIR = $(PREFIX)/share/zsh/site-functions
ALCO = target/release/alco
SYSTEM != uname -s

# mode:file:place; completion/SHELL is not a file, but the output of alco completion
FILES = \
	755:$(ALCO):$(PREFIX)/bin/alco \
	755:sphinx/sphinx.conf:$(DATADIR)/sphinx.conf \
	755:sphinx/sphinx_conf.py:$(DATADIR)/sphinx_conf.py \
	644:man/alco.1:$(MANDIR)/man1/alco.1 \
	644:man/alco.ini.5:$(MANDIR)/man5/alco.ini.5 \
	644:completion/bash:$(PREFIX)/share/bash-completion/completions/alco \
	644:completion/fish:$(PREFIX)/share/fish/vendor_completions.d/alco.fish \
	644:completion/zsh:$(ZSHDIR)/_alco \
	644:alco.ini.example:$(DOCDIR)/alco.ini.example \
	644:README.md:$(DOCDIR)/README.md \
	644:docs/delivery.md:$(DOCDIR)/docs/delivery.md \
	644:docs/formats.md:$(DOCDIR)/docs/formats.md \
	644:docs/migration.md:$(DOCDIR)/docs/migration.md \
	644:docs/nodes.md:$(DOCDIR)/docs/nodes.md \
	644:docs/operating.md:$(DOCDIR)/docs/operating.md \
	644:docs/sources.md:$(DOCDIR)/docs/sources.md \
	644:CHANGELOG.md:$(DOCDIR)/CHANGELOG.md \
	644:LICENSE:$(DOCDIR)/LICENSE
FILES_Linux = \
	644:systemd/alco.ini:$(SYSCONFDIR)/alco.ini.sample \
	644:systemd/alco.service:$(UNITDIR)/alco.service \
	644:systemd/alco-searchd.service:$(UNITDIR)/alco-searchd.service \
	644:systemd/searchd.conf:$(DATADIR)/searchd.conf
FILES_FreeBSD = \
	644:rc.d/alco.ini:$(SYSCONFDIR)/alco.ini.sample \
	755:rc.d/alco:$(SYSCONFDIR)/rc.d/alco \
	644:rc.d/sphinxsearch:$(DATADIR)/sphinxsearch \
	644:rc.d/newsyslog.conf:$(SYSCONFDIR)/newsyslog.conf.d/alco.conf

# The files name the usual places; sed replaces them by those of this installation.
PLACES = -e 's,/usr/local/bin/,$(PREFIX)/bin/,g' -e 's,/usr/local/etc/,$(SYSCONFDIR)/,g' \
	-e 's,/usr/local/share/alco/,$(DATADIR)/,g' -e 's,/usr/local/share/doc/alco,$(DOCDIR),g'
INI = $(DESTDIR)$(SYSCONFDIR)/alco.ini

install:
	@test -x $(ALCO) || { echo "install: cannot find $(ALCO): run make build, as a user who has cargo" >&2; exit 1; }
	@set -e; for each in $(FILES) $(FILES_$(SYSTEM)); do \
		mode=$${each%%:*} file=$${each#*:}; place=$(DESTDIR)$${file#*:} file=$${file%%:*}; \
		echo "$$place"; \
		mkdir -p "$${place%/*}"; \
		case $$file in \
			completion/*) $(ALCO) completion "$${file#*/}" >"$$place" && chmod $$mode "$$place" ;; \
			systemd/*|rc.d/*|sphinx/*) sed $(PLACES) $$file >"$$place" && chmod $$mode "$$place" ;; \
			*) install -m $$mode $$file "$$place" ;; \
		esac; \
	done
	@test -e "$(INI)" || { echo "$(INI)"; cp "$(INI).sample" "$(INI)"; }

uninstall:
	@! cmp -s "$(INI).sample" "$(INI)" || rm "$(INI)"
	@for each in $(FILES) $(FILES_$(SYSTEM)); do rm -f "$(DESTDIR)$${each##*:}"; done
	@rmdir "$(DESTDIR)$(DATADIR)" "$(DESTDIR)$(DOCDIR)/docs" "$(DESTDIR)$(DOCDIR)" 2>/dev/null || true
	@test ! -e "$(INI)" || echo "uninstall: $(INI) was changed, and stays"

# a .deb of the built alco, in target/
package:
	@systemd/debian/build $(ALCO)
