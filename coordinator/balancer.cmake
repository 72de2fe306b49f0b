# The balancer thread and HAProxy's runtime API.
add_library(farmhand_balancer STATIC balancer.c balancer_map.c haproxy.c haproxy_socket.c)
target_link_libraries(farmhand_balancer PUBLIC farmhand_base farmhand_common Threads::Threads)
