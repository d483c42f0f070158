/*
 * Paths of znodes, as bytes: "/" or "/a/b". Slices returned here point into the path that was given.
 */
#ifndef JUTE_PATH_H
#define JUTE_PATH_H

#include <stdbool.h>

#include "base/slice.h"

/*
 * Whether ZooKeeper takes this path (PathUtils.validatePath): begins with /, does not end with it unless it
 * is the root, no empty component, none that is "." or "..", no forbidden character. Forbidden are control
 * characters, the surrogate and private-use range up to U+F8FF and U+FFF0 to U+FFFF; so is everything beyond
 * U+FFFF, since ZooKeeper sees it as surrogates, and malformed UTF-8, which ZooKeeper reads as U+FFFD.
 */
bool path_valid(struct slice path);

/*
 * For a valid path: "/a" for "/a/b", "/" for "/a", null for "/". Without any check of validity it is the part
 * before the last slash, null when there is no slash.
 */
struct slice path_parent(struct slice path);

/* What follows the last slash: "b" for "/a/b", empty for "/" and for a path that ends in a slash. */
struct slice path_last(struct slice path);

/* Whether path is ancestor itself or below it, by components: "/a/b" is within "/a", "/ab" is not. */
bool path_within(struct slice path, struct slice ancestor);

#endif
