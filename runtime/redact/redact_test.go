package redact_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/redact"
)

func TestHide(t *testing.T) {
	r := redact.New()
	long := strings.Repeat("0123456789abcdef", 20) // 320 bytes
	r.Hold("s3cret-1", "s3cret-12345", "short", "", "with \"quotes\"\nand é<", long)
	for text, want := range map[string]string{
		"":                        "",
		"nothing":                 "nothing",
		"s3cret-1":                "***",
		"s3cret-":                 "s3cret-",
		"a s3cret-1 and s3cret-1": "a *** and ***",
		"a s3cret-12345 b":        "a *** b",
		"s3cret-1s3cret-12345x":   "***x",
		"short":                   "short",
		fmt.Sprintf("%q", "with \"quotes\"\nand é<"):           `"***"`,
		`{"error":"with \"quotes\"\nand é\u003c"}`:             `{"error":"***"}`,
		"with \"quotes\"\nand é<.":                             "***.",
		"before " + long + " after":                            "before *** after",
		"cut: " + long[:64] + " end":                           "cut: *** end",
		"é" + long + long:                                      "é***",
		"the token fas_0123456789abcdefABCDEF-_x is not valid": "the token *** is not valid",
		"fas_short and fas_ and xfas_0123456789abcdefgh.":      "fas_short and fas_ and x***.",
		"fas_0123456789abcdefgh":                               "***",
		strings.Repeat("s3cret-", 100):                         strings.Repeat("s3cret-", 100),
	} {
		if got := r.Hide(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	var none *redact.Registry
	none.Hold("s3cret-1")()
	if got := none.Hide("s3cret-1 fas_0123456789abcdefgh"); got != "s3cret-1 ***" {
		t.Errorf("without a registry: %q", got)
	}
}

// TestHideRandomly compares with a search for each secret, of texts over a small alphabet, so that
// secrets overlap, repeat and begin alike.
func TestHideRandomly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[rng.IntN(2)]
		}
		return string(b)
	}
	for range 300 {
		r := redact.New()
		secrets := make([]string, 1+rng.IntN(5))
		for i := range secrets {
			secrets[i] = random(redact.MinSecret + rng.IntN(150))
		}
		r.Hold(secrets...)
		text := random(rng.IntN(50)) + secrets[rng.IntN(len(secrets))] + random(rng.IntN(50))
		shown := r.Hide(text)
		for _, s := range secrets {
			if strings.Contains(shown, s) {
				t.Fatalf("%q is in %q, of %q", s, shown, text)
			}
		}
		if !slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(text, s) }) {
			t.Fatal("no secret was in the text")
		}
	}
}

// TestRelease checks that a secret is known as long as one holder has it, and that the memory of all of
// them is given back.
func TestRelease(t *testing.T) {
	b := memory.New(1<<30, nil)
	account := b.Open(memory.Options{Name: "secrets"})
	r := redact.New()
	first := r.Hold("the same secret")
	r.Count(account)
	second := r.Hold("the same secret", strings.Repeat("x", 10_000))
	if b.Used() < 10_000/2 {
		t.Errorf("10,000 bytes of secrets take %d", b.Used())
	}
	first()
	first()
	if got := r.Hide("the same secret"); got != redact.Mask {
		t.Errorf("one of two holders is left: %q", got)
	}
	second()
	if got := r.Hide("the same secret"); got != "the same secret" || b.Used() != 0 {
		t.Errorf("no holder is left: %q, %d bytes", got, b.Used())
	}
}

func TestConcurrently(t *testing.T) {
	r := redact.New()
	r.Hold("always a secret")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				s := fmt.Sprintf("secret %d of %d", n, i)
				release := r.Hold(s)
				if got := r.Hide("a " + s + ", always a secret"); got != "a ***, ***" {
					t.Errorf("%q", got)
				}
				release()
			}
		})
	}
	all.Wait()
}

// stack is a value whose text has a secret.
type stack struct{ text string }

func (s stack) LogValue() slog.Value { return slog.StringValue(s.text) }

// TestHandler plants a secret in every kind of attribute.
func TestHandler(t *testing.T) {
	const secret = "canary \"in\" a log"
	r := redact.New()
	r.Hold(secret)
	err := fmt.Errorf("wrapped: %w", errors.New("cannot read "+secret))
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		log := slog.New(redact.NewHandler(handler(&out), r))
		log = log.With("with", secret).WithGroup("group").With("panic", fmt.Sprintf("panic: %q", secret))
		log.Error("it failed", "err", err, "text", secret, slog.Group("inner", "any", struct{ S string }{secret}, "value", stack{secret}),
			"bytes", []byte(secret), "list", []string{secret}, "n", 5, "nothing", nil, "error", error(nil))
		log.LogAttrs(context.Background(), slog.LevelInfo, "plain", slog.String("path", "/v1/"+secret), slog.String("token", "fas_0123456789abcdefgh"))
		text := out.String()
		if strings.Contains(text, "canary") || strings.Count(text, redact.Mask) < 9 {
			t.Errorf("%s: %s", name, text)
		}
		if !strings.Contains(text, "it failed") || !strings.Contains(text, "wrapped: cannot read ") {
			t.Errorf("%s lacks what is no secret: %s", name, text)
		}
	}
}

// TestNamesStay checks that a tenant cannot vanish from the log by making its name a secret.
func TestNamesStay(t *testing.T) {
	r := redact.New()
	r.Hold("tenant-of-the-attack", "it failed")
	var out bytes.Buffer
	slog.New(redact.NewHandler(slog.NewJSONHandler(&out, nil), r)).Error("it failed", "tenant", "tenant-of-the-attack", "err", "tenant-of-the-attack")
	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["tenant"] != "tenant-of-the-attack" || line["msg"] != "it failed" || line["err"] != redact.Mask {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestTexts(t *testing.T) {
	got := redact.Texts([]byte(`{"a long name":"a long text","b":["another text",{"c":"short","d":123456789,"e":1}],"f":null}`))
	slices.Sort(got)
	if want := []string{"123456789", "a long text", "another text"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := redact.Texts([]byte("no JSON at all")); !slices.Equal(got, []string{"no JSON at all"}) {
		t.Errorf("%q", got)
	}
	if got := redact.Texts(nil); len(got) > 1 {
		t.Errorf("%q", got)
	}
}

func FuzzHide(f *testing.F) {
	f.Add("a secret", "a text with a secret in it")
	f.Add("01234567", "0123456701234567")
	f.Add("\xff\xfe\"\\\x00 long", "\"\\xff\\xfe\\\"\\\\\\x00 long\"")
	f.Fuzz(func(t *testing.T, secret, text string) {
		r := redact.New()
		release := r.Hold(secret)
		if len(secret) >= redact.MinSecret {
			if got := r.Hide(text + secret + text); strings.Contains(got, secret) && !strings.Contains(redact.Mask+text+redact.Mask, secret) {
				t.Errorf("%q is in %q", secret, got)
			}
		}
		release()
		var none *redact.Registry
		if got := r.Hide(text); got != none.Hide(text) {
			t.Errorf("without secrets %q becomes %q", text, got)
		}
	})
}

func BenchmarkHide(b *testing.B) {
	r := redact.New()
	for i := range 10_000 {
		r.Hold(fmt.Sprintf("%x is a secret", i*0x9E3779B97F4A7C1))
	}
	line := "POST /v1/functions/hello/rpc/ 200 user ci trace 4bf92f3577b34da6a3ce929d0e0e4736 execution 01935f9e-7d5c-7000-8000-00000000abcd"
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Hide(line)
	}
}
