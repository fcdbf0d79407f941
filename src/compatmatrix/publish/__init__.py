"""Support -> what people and machines read. Every file here is a pure function of the view: deleted, it is rebuilt byte for byte."""
