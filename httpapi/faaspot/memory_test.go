package faaspot_test

import (
	"encoding/json"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestGetMemory checks that the server shows who holds how much.
func TestGetMemory(t *testing.T) {
	b := memory.New(1<<30, nil)
	runs := b.Open(memory.Options{Name: "runs"})
	runs.Add(300)
	ts := apitest.Start(t, &apitest.Fake{}, func(o *httpapi.Options) { o.Memory = b })
	var m wire.Memory
	if err := json.Unmarshal([]byte(ts.Do(t, "GET", "/v1/server/memory", "", nil).Body), &m); err != nil {
		t.Fatal(err)
	}
	held := map[string]int64{}
	sum := int64(0)
	for _, h := range m.Holders {
		held[h.Name] = h.Bytes
		sum += h.Bytes
	}
	if m.Budget != 1<<30 || held["runs"] != 300 || m.Used < 300 || m.Used != sum || m.Resident == 0 {
		t.Errorf("the memory is %+v", m)
	}
}
