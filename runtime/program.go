package runtime

// NewProgram is what the sandbox is to know of a version.
func NewProgram(f Function, v Version) Program {
	return Program{
		Tenant:     f.Tenant,
		FunctionID: f.ID,
		Version:    v.Number,
		Name:       v.Name,
		Source:     v.Source,
		Limits:     v.Limits.WithDefaults(),
	}
}
