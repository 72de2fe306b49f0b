/* parts.h - starting and stopping the single parts of a farm, and waiting until they are of use. */
#ifndef FARM_FARM_PARTS_H
#define FARM_FARM_PARTS_H

#include "tests/farm/farm/farm.h"

/* Lab servers: made from DIR/conf, started, all at the same time. */
enum error_code parts_create_servers(const struct farm *f, struct error *err);
enum error_code parts_start_servers(const struct farm *f, struct error *err);
enum error_code parts_stop_servers(const struct farm *f, struct error *err);
/* One server: "up", "down" or "crash" of lab-sc. */
enum error_code parts_server(const struct farm *f, unsigned index, const char *verb,
                             struct error *err);

enum error_code parts_start_coordinator(const struct farm *f, struct error *err);
enum error_code parts_start_agent(const struct farm *f, unsigned index, struct error *err);
/* A whole machine starts anew: its agent ends, the server goes down and comes up with another boot
 * id, and the agent starts with it. */
enum error_code parts_reboot(const struct farm *f, unsigned index, struct error *err);
enum error_code parts_start_balancer(const struct farm *f, struct error *err);
/* A reload, as an administrator does it: a new process takes the listeners over, knows nothing of
 * any drain, and the old one ("haproxy-old") ends when its sessions have. ERR_EXISTS: it has not
 * yet, from the last reload. */
enum error_code parts_reload_balancer(const struct farm *f, struct error *err);
enum error_code parts_start_visitors(const struct farm *f, struct error *err);
/* A process that takes the farm down when process `pid` has ended. */
enum error_code parts_start_guard(const struct farm *f, int pid, struct error *err);

/* Until every agent is known and fresh and the coordinator has settled. */
enum error_code parts_wait_agents(const struct farm *f, struct error *err);
/* Until every server line of shop and api is UP. */
enum error_code parts_wait_balancer(const struct farm *f, struct error *err);

void parts_agent_name(char out[32], unsigned index); /* "agent-web01": its pid file and log */

#endif
