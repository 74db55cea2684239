package runtime

import (
	"github.com/google/uuid"
)

// NewID makes a UUIDv7: ids of later things sort behind those of earlier ones.
// It panics if the system has no random numbers to give, as crypto/rand does.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }
