# The commands of README.md, by name. `just` lists them.

_list:
    @just --list

# Show the product working, in one process
demo:
    cargo dev demo

# Run the receiver and a local AWS, with a page that shows each callback
up:
    cargo dev up

# Run all tests
test:
    cargo test --workspace

# Run everything that CI runs
ci:
    .ci/run

# Build for AWS, then deploy. Needs an AWS account
deploy:
    sam build && sam deploy
