# The commands of README.md, by name. `just` lists them.

_list:
    @just --list

# Show the product working, in one process
demo:
    cargo dev demo

# Run all tests
test:
    cargo test --workspace

# Run the receiver and a local AWS, with a page that shows each callback
up:
    cargo dev up

# Send a signed callback with made-up data to `just up`
send:
    cargo dev send kyc

# Show how many messages are on each queue of `just up`
queues:
    cargo dev queues

# Show the messages on KycQueue of `just up`, without consuming them
peek:
    cargo dev peek kyc

# Build, then deploy to AWS. Needs an AWS account
deploy:
    sam build && sam deploy
