"""The fault suite: two replicas under mixed traffic and random faults, and the promises that must hold meanwhile.

    make soak ARGS="--minutes 3 --seed 7"

`world` starts the processes, `clients` call them, `plan` draws faults of the registry `faults` from the seed, `journal`
keeps what happened when. `books` joins what clients saw, what replicas logged, what the store holds and what the
provider served; `promises` says what each of that must be.
"""
