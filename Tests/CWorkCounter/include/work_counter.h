#ifndef MUSTER_WORK_COUNTER_H
#define MUSTER_WORK_COUNTER_H

/// What one thread has done since it began to run. -1 where calls cannot be counted.
typedef struct {
    /// Calls that ask for memory, also those of the libraries.
    long allocations;
    /// Bytes that they ask for: whoever copies a whole plan for each of its steps shows here.
    long bytes;
    /// Calls that wait for a disk: fsync and fdatasync.
    long syncs;
} muster_work;

/// The work of the calling thread.
muster_work muster_work_of_this_thread(void);

#endif
