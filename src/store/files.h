/*
 * files: the folders and files that a store makes. Inside store only.
 */
#ifndef SALLYPORT_STORE_FILES_H
#define SALLYPORT_STORE_FILES_H

#include "base/error.h"

/* Each folder of the path that is not there, 0700. */
int store_make_folder(const char *dir, struct error *err);
/* An empty file, 0600; one that is there stays. Made by us, so that nobody else can read it for a
 * moment. */
int store_make_file(const char *path, struct error *err);

#endif
