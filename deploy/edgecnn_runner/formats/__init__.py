"""Reads what is inside a model file: containers, flatbuffers and protobuf, read without trust."""
