package runtime

// NoJobError is the error of a name under which there is no job.
func NoJobError(name string) error {
	return Errorf(CodeNotFound, "there is no job named %q", name).
		WithHint("check the name; list the jobs to see which there are")
}

// JobNameTakenError is the error of a name that another job has.
func JobNameTakenError(name string) error {
	return Errorf(CodeAlreadyExists, "there is a job named %q already", name).
		WithHint("choose another name, or update that job")
}

func NoFunctionOfJobError(name string) error {
	return Errorf(CodeInvalidArgument, "the job's function %q does not exist", name).
		WithHint("create the function, or change the job's spec.function")
}
