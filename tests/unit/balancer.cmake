# The balancer: against scripted answers, and against a real haproxy.
farmhand_test(balancer SOURCES test_balancer.c fake_haproxy.c LIBS farmhand_balancer)
farmhand_test(balancer_haproxy SOURCES test_balancer_haproxy.c LIBS farmhand_balancer LABELS contract)
