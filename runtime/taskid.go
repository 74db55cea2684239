package runtime

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"
)

// TaskID is the id of a task, a UUIDv7. It follows from the id of the task's
// execution of a job and the task's number, so that nothing else need tell which
// are the tasks of an execution. It has the time of the former, and the ids of
// later tasks sort behind those of earlier ones. What is no UUID has no tasks:
// the id is then empty.
func TaskID(execution string, index int) string {
	x, err := uuid.Parse(execution)
	if err != nil || index < 0 || index >= MaxTasks {
		return ""
	}
	// 48 bits of time, 4 that say version 7, 12 of the number, 2 that say variant
	// 2, 2 of the number, 60 that no other execution has.
	rest := sha256.Sum256(binary.BigEndian.AppendUint16(x[:], uint16(index)))
	id := uuid.UUID(rest[:16])
	copy(id[:6], x[:6])
	id[6] = 0x70 | byte(index>>10)&0x0F
	id[7] = byte(index >> 2)
	id[8] = 0x80 | byte(index&3)<<4 | id[8]&0x0F
	return id.String()
}
