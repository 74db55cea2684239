package pack

import "testing"

// FuzzIgnore reads files of patterns. A pattern that is a whole path leaves that path out, and rules
// that are added do not change what the earlier ones are.
func FuzzIgnore(f *testing.F) {
	for _, text := range []string{"*.pyc", "!keep/\n/a/**/b", "**/x/**", "[a-z", "[!]a]\\*", "a\\", "#x\n\\#x", "***", "[[:alpha:]]", "[z-a]", "é?", "\xff", " \\ "} {
		f.Add(text, "a/b/c.pyc")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		rules, err := parseIgnore("file", text)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("the error says nothing")
			}
			return
		}
		all, err := parseIgnore("file", "*\n"+text)
		if err != nil || len(all) != len(rules)+1 {
			t.Fatalf("%q has %d rules, and %d behind another: %v", text, len(rules), len(all), err)
		}
		if rules.has(path, true) && !all.has(path, true) {
			t.Fatalf("%q leaves %q out, but not behind another rule", text, path)
		}
	})
}
