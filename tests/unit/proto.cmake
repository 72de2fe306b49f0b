# proto/: the codec, and the words of messages.h.
farmhand_test(codec SOURCES proto/test_codec.c proto/fields.c LIBS farmhand_proto)
farmhand_test(codec_hostile SOURCES proto/test_codec_hostile.c proto/fields.c LIBS farmhand_proto)
farmhand_test(messages SOURCES proto/test_messages.c LIBS farmhand_proto)
farmhand_test(token SOURCES proto/test_token.c LIBS farmhand_proto)
