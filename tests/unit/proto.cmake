# proto/: the codec, and the words of messages.h.
farmhand_test(codec SOURCES proto/test_codec.c proto/fields.c LIBS farmhand_proto)
