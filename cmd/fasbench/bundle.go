package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"time"
)

// bundleModules is the number of modules of a measured bundle, besides main.py.
const bundleModules = 99

// bundleZip returns a bundle of a package whose modules main.py imports. Bundles of other numbers have
// other modules, so that no bytecode of one is of use for another.
func bundleZip(number int) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	add := func(path, text string) error {
		f, err := w.Create(path)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		return err
	}
	main := "import "
	for i := range bundleModules {
		name := fmt.Sprintf("module%d", i)
		if i > 0 {
			main += ", "
		}
		main += "package." + name
		text := fmt.Sprintf("NUMBER = %d\n", number)
		for n := range 20 {
			text += fmt.Sprintf(`

class Item%[1]d:
    """An item of a list of things."""

    def __init__(self, name, price=%[1]d):
        self.name, self.price = name, price

    def total(self, count):
        if count < 0:
            raise ValueError(f"{self.name}: a count of {count}")
        return sum(self.price * (1 + i / 100) for i in range(count))
`, n)
		}
		if err := add("package/"+name+".py", text); err != nil {
			return nil, err
		}
	}
	main += "\n\n\ndef main(args, context):\n    return package.module0.Item1(args[\"name\"]).total(3)\n"
	if err := add("main.py", main); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}

// measureBundle deploys bundles that the server has not seen before, one after the other, and each once
// more: then its bytecode is there.
func measureBundle(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var first, again []time.Duration
	deploy := func(number int) (time.Duration, error) {
		content, err := bundleZip(number)
		if err != nil {
			return 0, err
		}
		if err := s.connect(); err != nil {
			return 0, err
		}
		began := time.Now()
		_, err = s.succeed(s.bundleRequest(fmt.Sprintf("bundle%d", number), content))
		return time.Since(began), err
	}
	for i := range l.rounds(20, 5) {
		for _, times := range []*[]time.Duration{&first, &again} {
			took, err := deploy(i)
			if err != nil {
				return nil, err
			}
			*times = append(*times, took)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return []measured{{
		value: elapsed(median(first)),
		notes: []string{fmt.Sprintf("%d bundles; p90 %v; the same bundle again %v", len(first), elapsed(percentile(first, 0.9)), elapsed(median(again)))},
	}}, nil
}
