package keys

import "testing"

func BenchmarkParseID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseID("01890000-0000-7000-8000-000000000001"); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkIDString(b *testing.B) {
	id, _ := ParseID("01890000-0000-7000-8000-000000000001")
	b.ReportAllocs()
	for b.Loop() {
		_ = id.String()
	}
}
