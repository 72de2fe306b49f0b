# What the coordinator remembers.
set(store_tools coordinator_store/files.c coordinator_store/samples.c)
farmhand_test(store SOURCES coordinator_store/test_store.c ${store_tools} LIBS farmhand_store)
farmhand_test(store_trouble SOURCES coordinator_store/test_store_trouble.c ${store_tools} LIBS farmhand_store)
farmhand_test(history SOURCES coordinator_store/test_history.c ${store_tools} LIBS farmhand_store)

# What it says to operators.
farmhand_test(api SOURCES coordinator_api/test_api.c coordinator_api/client.c LIBS farmhand_api)
