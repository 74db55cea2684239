package record

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
)

func instant() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
		return time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(zone)
	})
}

func TestFunctionsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := runtime.Function{
			ID:      rapid.String().Draw(t, "id"),
			Tenant:  runtime.Tenant(rapid.String().Draw(t, "tenant")),
			Name:    rapid.String().Draw(t, "name"),
			Version: rapid.Uint64().Draw(t, "version"),
			Created: instant().Draw(t, "created"),
			Updated: instant().Draw(t, "updated"),
		}
		value, err := EncodeFunction(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeFunction(want.Tenant, want.ID, value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if got.Created.Location() != time.UTC {
			t.Fatalf("created is in %v, not in UTC", got.Created.Location())
		}
	})
}

func TestVersionRecordsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := runtime.Version{
			Name:    rapid.String().Draw(t, "name"),
			Source:  rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "source"),
			Context: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "context"),
			Limits: runtime.Limits{
				Timeout:   time.Duration(rapid.Int64().Draw(t, "timeout")),
				Memory:    rapid.Int64().Draw(t, "memory"),
				Logs:      rapid.Int64().Draw(t, "logs"),
				OpenFiles: rapid.Int().Draw(t, "files"),
				Tmp:       rapid.Int64().Draw(t, "tmp"),
			},
			Retries: rapid.Int().Draw(t, "retries"),
			Created: instant().Draw(t, "created"),
		}
		if rapid.Bool().Draw(t, "bundle") {
			v.Bundle.Bytes = rapid.Int64Range(1, runtime.MaxBundle).Draw(t, "zip")
			copy(v.Bundle.ID[:], rapid.SliceOfN(rapid.Byte(), len(v.Bundle.ID), len(v.Bundle.ID)).Draw(t, "id"))
		}
		if rapid.Bool().Draw(t, "allow") {
			v.Allow = rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "rules")
		}
		value, err := EncodeVersion(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeVersion(value)
		if err != nil {
			t.Fatal(err)
		}
		want := Version{
			Name: v.Name, Limits: limitsRecord(v.Limits), Source: len(v.Source), Context: len(v.Context), Retries: v.Retries, Created: v.Created, Allow: v.Allow,
		}
		if !v.Bundle.IsZero() {
			want.Bundle, want.Zip = v.Bundle.ID.String(), v.Bundle.Bytes
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if b, err := got.BundleOf(); err != nil || b != v.Bundle {
			t.Fatalf("bundle %v came back as %v, %v", v.Bundle, b, err)
		}
		if got := runtime.Limits(got.Limits); got != v.Limits {
			t.Fatalf("limits %+v came back as %+v", v.Limits, got)
		}
	})
}

// The stored bytes are a promise to later releases.
func TestEncodingIsStable(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	function, err := EncodeFunction(runtime.Function{ID: "i", Tenant: "t", Name: "hello", Version: 7, Created: at, Updated: at})
	if err != nil {
		t.Fatal(err)
	}
	version, err := EncodeVersion(runtime.Version{
		Name: "hello", Source: []byte("abc"), Context: []byte("{}"), Created: at,
		Limits: runtime.Limits{Timeout: time.Second, Memory: 1, Logs: 2, OpenFiles: 3, Tmp: 4}, Retries: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ what, got, want string }{
		{"function", string(function), "\x02" + `{"name":"hello","version":7,"created":"2026-02-03T04:05:06.000000789Z","updated":"2026-02-03T04:05:06.000000789Z"}`},
		{"version", string(version), "\x04" + `{"name":"hello","limits":{"timeout":1000000000,"memory":1,"logs":2,"open_files":3,"tmp":4},"source":3,"context":2,"retries":5,"created":"2026-02-03T04:05:06.000000789Z"}`},
		{"raw", string(EncodeRaw("abc")), "\x01abc"},
		{"number", string(EncodeNumber(258)), "\x01\x00\x00\x00\x00\x00\x00\x01\x02"},
	} {
		if test.got != test.want {
			t.Errorf("%s is written as %q, want %q", test.what, test.got, test.want)
		}
	}
}

// Records of earlier releases can be read: before versions had retries.
func TestOlderVersionsAreRead(t *testing.T) {
	r, err := DecodeVersion([]byte("\x02" + `{"name":"hello","limits":{"timeout":1000000000,"memory":1},"source":3,"context":2,"created":"2026-02-03T04:05:06Z"}`))
	want := Version{
		Name: "hello", Limits: limitsRecord{Timeout: time.Second, Memory: 1}, Source: 3, Context: 2,
		Created: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
	}
	if diff := cmp.Diff(want, r); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
}

func TestDamagedValuesAreRefused(t *testing.T) {
	for _, value := range []string{
		"", "\x01", "\x02", "\x03{}", "{}", "\x02{", "\x02{}}", "\x02{} {}", "\x02[]", "\x02" + `{"name":1}`,
		"\x02" + `{"name":"a","unknown":1}`, "\x02" + `{"version":-1}`, "\x02" + `{"created":"yesterday"}`,
	} {
		if _, err := DecodeFunction("t", "i", []byte(value)); err == nil {
			t.Errorf("%q is read as a function", value)
		}
	}
	for _, value := range []string{"", "\x02abc", "abc"} {
		if _, err := DecodeRaw([]byte(value)); err == nil {
			t.Errorf("%q is read as raw bytes", value)
		}
	}
	for _, value := range []string{"", "\x01", "\x01\x00\x00", "\x01123456789", "\x0212345678"} {
		if _, err := DecodeNumber([]byte(value)); err == nil {
			t.Errorf("%q is read as a number", value)
		}
	}
}

func TestDecodeRawCopies(t *testing.T) {
	value := EncodeRaw("abc")
	data, err := DecodeRaw(value)
	if err != nil {
		t.Fatal(err)
	}
	value[1] = 'x'
	if string(data) != "abc" {
		t.Fatalf("the decoded bytes changed with the value: %q", data)
	}
}

func FuzzDecodeFunction(f *testing.F) {
	value, err := EncodeFunction(runtime.Function{Name: "hello", Version: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte{})
	f.Add([]byte("\x02{}}"))
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := DecodeFunction("t", "i", value)
		if err != nil {
			return
		}
		again, err := EncodeFunction(got)
		if err != nil {
			t.Fatalf("%q is read as %+v, which cannot be written: %v", value, got, err)
		}
		back, err := DecodeFunction("t", "i", again)
		if err != nil || !cmp.Equal(got, back) {
			t.Fatalf("%+v came back as %+v, %v", got, back, err)
		}
	})
}

func FuzzDecodeVersion(f *testing.F) {
	value, err := EncodeVersion(runtime.Version{Name: "hello", Source: []byte("x")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte("\x02{}"))
	f.Fuzz(func(t *testing.T, value []byte) {
		if _, err := DecodeVersion(value); err == nil && !slices.Contains([]byte{EncodingJSON, EncodingJSON2, EncodingJSON3, EncodingJSON4}, value[0]) {
			t.Fatalf("%q is read", value)
		}
	})
}
