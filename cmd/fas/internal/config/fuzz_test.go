package config

import "testing"

// FuzzProfiles reads profile files. What is read can be asked for every profile that it names, and a
// changed file can be read again.
func FuzzProfiles(f *testing.F) {
	for _, text := range []string{
		"", "faaspot:\n  profile: a\n  profiles:\n    a:\n      host: localhost\n      port: 8080\n", "faaspot: {profiles: {a: &x {token: t}, b: *x}}", "faaspot:\n  profiles: [a]\n",
		"faaspot: ~\n---\nx: 1\n", "a: &a [*a]", "? [x]\n: y\n", "faaspot: {profiles: {1: {port: '70000'}, ~: ~}}", "\xff", "<<: {faaspot: {profiles: {a: {}}}}", "!!binary x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse("profiles.yaml", data)
		if err != nil {
			return
		}
		_ = file.Active()
		for _, name := range file.Names() {
			if _, _, err := file.Profile(name); err != nil && err.Error() == "" {
				t.Fatal("an error says nothing")
			}
		}
		if file.SetActive("new") == nil && file.Active() != "new" {
			t.Fatalf("%q: the active profile is %q", data, file.Active())
		}
		if _, err := file.RemoveProfile("a"); err == nil {
			if _, ok, _ := file.Profile("a"); ok {
				t.Fatalf("%q: a removed profile is still there", data)
			}
		}
	})
}
