# A thin front of Meson. `make` builds into build/; programs run from there, nothing is installed.
#
#   make          build            make check    every test (installs what it misses)
#   make demo     see it work      make asan     the unit and fuzz suites under ASan and UBSan
#   make bench    side by side     make lint     clang-tidy     make format    clang-format
#   make install  PREFIX=/usr/local

BUILD ?= build
PREFIX ?= /usr/local
CI_FLAGS := $(if $(CI),-Dwerror=true,)

all: build

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/deps build
	@meson setup $(BUILD) --prefix=$(PREFIX) $(CI_FLAGS) $(MESON_FLAGS)

demo:
	@tools/deps demo
	@$(MAKE) --no-print-directory build
	@BUILD=$(BUILD) tools/demo

check:
	@tools/deps check
	@$(MAKE) --no-print-directory build
	@BUILD=$(BUILD) tools/check

check-unit: build
	@BUILD=$(BUILD) tools/check layers unit fuzz

# The engine reserves address space in a way that ASan's leak checker takes for leaks.
asan:
	@tools/deps check
	@[ -f build-asan/build.ninja ] || CC=clang-14 meson setup build-asan -Db_sanitize=address,undefined \
		-Db_lundef=false -Dhardening=false
	@ninja -C build-asan
	@BUILD=build-asan tools/check unit fuzz

lint: build
	@BUILD=$(BUILD) tools/check lint

bench:
	@tools/deps bench
	@$(MAKE) --no-print-directory build
	@BUILD=$(BUILD) bench/run
	@BUILD=$(BUILD) bench/daemon

format:
	@clang-format-14 -i $$(git ls-files '*.c' '*.h')

# The programs know where their siblings will stand: another PREFIX is another build.
install: build
	@grep -qF '{"name": "prefix", "value": "$(abspath $(PREFIX))",' $(BUILD)/meson-info/intro-buildoptions.json || \
		meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@meson install -C $(BUILD)

clean:
	rm -rf build build-asan build-fuzz

.PHONY: all build demo check check-unit asan lint bench format install clean
