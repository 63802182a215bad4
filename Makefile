# Thin front of Meson. `make` builds into build/; programs run from there.
BUILD ?= build
all: build
build: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
$(BUILD)/build.ninja:
	@meson setup $(BUILD) $(MESON_FLAGS) >/dev/null
check-unit: build
	@meson test -C $(BUILD) --suite unit --print-errorlogs
format:
	@clang-format-14 -i $$(git ls-files 'src/*.[ch]' 'tests/*.[ch]')
.PHONY: all build check-unit format
