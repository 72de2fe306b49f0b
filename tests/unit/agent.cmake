# The agent's heart on virtual time, its journal, its settings.
farmhand_test(agent_recipes SOURCES agent/test_recipes.c agent/box.c LIBS farmhand_agent_core)
farmhand_test(agent_heart SOURCES agent/test_agent.c agent/stage.c agent/box.c LIBS farmhand_agent_core)
