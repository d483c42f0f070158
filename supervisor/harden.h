/*
 * What zkd itself gives up. It reads nothing from the network, and its work (starting programs under other users,
 * signalling them, giving folders away) needs some rights, so this is less than the daemons' locked door.
 */
#ifndef SUPERVISOR_HARDEN_H
#define SUPERVISOR_HARDEN_H

/*
 * To be called when everything is bound: no new privileges; not dumpable; of root's capabilities only those that
 * starting, stopping and reloading need. What the kernel or a container refuses is left as it is.
 */
void harden(void);

#endif
