// The system's zlib, found by its header.
#include <zlib.h>
