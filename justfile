# What a person does daily. Every recipe is a plain script or cargo command, so `just` is a convenience only.

# List the recipes.
default:
    @just --list

# Everything that must pass before a change lands.
ci:
    .ci/run

# All tests, or those of one package: `just test -p mpc-engine`.
test *args:
    scripts/test {{args}}

# Format, then lint as CI does.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --locked -- -D warnings

# The IPO of the original demonstration, on the embedded devnet. `just demo --keep` leaves it running.
demo *args:
    scripts/demo {{args}}

# Measure: `just bench clearing`.
bench *args:
    scripts/bench {{args}}

# Mutate saved inputs against every decoder, for so many seconds.
fuzz *args:
    scripts/fuzz {{args}}

# The documentation of every package, in the browser.
doc:
    cargo doc --workspace --no-deps --open

# Check the dependencies' licences and sources.
deny:
    cargo deny check bans licenses sources
