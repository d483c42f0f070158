/*
 * The form of an export: JSON, one value a line, so that neither side ever holds more than one znode.
 *
 *	{"zkctl_export":1,"root":"/app","source":"server"|"snapshot"}
 *	{"path":"/app/a","data":"text" or "data_base64":"..." or neither (null data),
 *	 "acl":[{"scheme":"world","id":"anyone","perms":"cdrwa"}],
 *	 "ttl_ms":N, "container":true, "ephemeral_owner":"0x..."}    the last three only where they are so
 *	{"nodes":N}                                                  last; without it the file is not whole
 *
 * Parents stand before their children.
 */
#ifndef ZKCTL_EXPORT_H
#define ZKCTL_EXPORT_H

enum { EXPORT_FORM = 1 };

#endif
