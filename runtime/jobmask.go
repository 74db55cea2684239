package runtime

// Masked stands for a secret wherever a job is shown. Sent back in an update it
// stands for the secret that is kept.
const Masked = "***"

// Unmask puts kept secrets in place of those that are masked: values of
// environment variables of the same name, and secrets of triggers with the same
// id.
func (s *JobSpec) Unmask(kept *JobSpec) error {
	values, secrets := make(map[string]string), make(map[string]string)
	if kept != nil {
		for _, v := range kept.Env {
			values[v.Name] = v.Value
		}
		for _, t := range kept.Triggers {
			secrets[t.ID] = t.CallbackSecret
		}
	}
	for i := range s.Env {
		v := &s.Env[i]
		if !v.Secret || v.Value != Masked {
			continue
		}
		value, there := values[v.Name]
		if !there {
			return Errorf(CodeInvalidArgument, "the value of the environment variable %s is %s, and no value is kept for which that could stand", v.Name, Masked).
				WithHint("send its value")
		}
		v.Value = value
	}
	for i := range s.Triggers {
		t := &s.Triggers[i]
		if t.CallbackSecret != Masked {
			continue
		}
		if secrets[t.ID] == "" {
			return Errorf(CodeInvalidArgument, "trigger %s: its callbackSecret is %s, and no secret is kept for which that could stand", t.ID, Masked).
				WithHint("send a secret, or leave it out to have one drawn")
		}
		t.CallbackSecret = secrets[t.ID]
	}
	return nil
}
