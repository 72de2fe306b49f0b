# The balancer thread, and what it can talk to.
add_library(farmhand_balancer STATIC balancer.c balancer_command.c balancer_haproxy.c balancer_map.c haproxy.c
                                     haproxy_socket.c)
target_link_libraries(farmhand_balancer PUBLIC farmhand_base farmhand_common Threads::Threads)
