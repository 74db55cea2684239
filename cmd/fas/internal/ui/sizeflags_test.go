package ui

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"512MB": 512 << 20, "512 mb": 512 << 20, "4GB": 4 << 30, "1.5GiB": 3 << 29,
		"1g": 1 << 30, "2K": 2048, "100 bytes": 100, "7B": 7, "0MB": 0,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "512", "MB", "-1MB", "1e30GB", "infGB", "nanGB", "1 TB", "12MBx"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
	for n, want := range map[int64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1 KB", 1536: "1.5 KB", 6 << 20: "6 MB", 24731708 << 10: "23.6 GB", 1<<30 + 1: "1 GB",
	} {
		if got := AboutSize(n); got != want {
			t.Errorf("AboutSize(%d) = %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 bytes", 1024: "1 KB", 1536: "1536 bytes", 6 << 20: "6 MB", 3 << 29: "1536 MB", 1 << 30: "1 GB",
	} {
		if got := SizeText(n); got != want {
			t.Errorf("sizeText(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]Seconds{"2.5": 2.5, "90": 90, "2m": 120, "100ms": 0.1} {
		var s Seconds
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("Set(%q) = %v, %v, want %v", text, s, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "nan", "inf", "two", "0s", "-2m"} {
		var s Seconds
		if err := s.Set(text); err == nil {
			t.Errorf("Set(%q) = %v, want an error", text, s)
		}
	}
}

func TestMegabytes(t *testing.T) {
	for text, want := range map[string]Megabytes{"256": 256, "1GB": 1024, "128MB": 128} {
		var m Megabytes
		if err := m.Set(text); err != nil || m != want {
			t.Errorf("Set(%q) = %v, %v, want %v", text, m, err, want)
		}
	}
	for _, text := range []string{"", "0", "-5", "1.5", "100KB", "99999999999", "much"} {
		var m Megabytes
		if err := m.Set(text); err == nil {
			t.Errorf("Set(%q) = %v, want an error", text, m)
		}
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		420 * time.Microsecond: "0.42 ms", 12340 * time.Microsecond: "12.3 ms", 1500 * time.Millisecond: "1.50 s",
	} {
		if got := DurationText(d); got != want {
			t.Errorf("durationText(%v) = %s, want %s", d, got, want)
		}
	}
}
