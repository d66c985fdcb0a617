"""Scripts that score with other people's packages. They run in an environment of those packages, without this one."""
