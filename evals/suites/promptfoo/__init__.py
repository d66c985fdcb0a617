"""The dialect of promptfoo: `promptfooconfig.yaml`, its files of prompts and tests, and its tables."""
