package wasmbin

import (
	"bytes"
	"crypto/sha256"
)

// hollowName is the custom section that identifies the code of the original of a hollow module.
const hollowName = "hollow.code.sha256"

// hollowBody is a function body, preceded by its length, that is valid whatever the function's
// type: no locals, and unreachable.
var hollowBody = []byte{3, 0, OpUnreachable, OpEnd}

// Hollow returns a module that has all of the module's functions but not their code: each traps
// when it is called. It replaces the module where the code has been compiled before, because
// reading and validating code takes time in proportion to its size. A custom section at its end
// holds the SHA-256 of the code section, so that modules with different code have different hollow
// modules.
func Hollow(module []byte) ([]byte, error) {
	sections, err := Sections(module)
	if err != nil {
		return nil, err
	}
	var code []byte
	for i, s := range sections {
		if s.ID != SectionCode {
			continue
		}
		code = s.Body
		n, err := s.Reader().count()
		if err != nil {
			return nil, err
		}
		sections[i].Body = append(AppendUint32(nil, uint32(n)), bytes.Repeat(hollowBody, n)...)
	}
	sum := sha256.Sum256(code)
	mark := append(AppendName(nil, hollowName), sum[:]...)
	return Join(append(sections, Section{ID: SectionCustom, Body: mark})), nil
}
