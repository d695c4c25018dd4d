"""Wire forms: provider JSON and events to requests, replies to provider JSON and events."""
