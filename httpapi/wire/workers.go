package wire

// Worker is a process in which functions run.
type Worker[T any] struct {
	PID      *int    `json:"pid"`      // null: it is being started
	Tenant   *string `json:"tenant"`   // the only one whose runs it gets; null: tenants share it
	Function *string `json:"function"` // rid of the only one whose runs it gets; null: functions share it
	Since    T       `json:"since"`    // when the process was ready; null: it is not
	Restarts int     `json:"restarts"`
	Runs     int     `json:"runs"`   // in progress
	Memory   int64   `json:"memory"` // bytes, without what is reserved for runs
}
