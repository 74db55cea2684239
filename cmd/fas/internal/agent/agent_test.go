package agent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/faaspot/faaspot/cmd/fas/internal/agent"
	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

// TestAnswersAreBounded has a server answer with as much as the client accepts: a model gets the
// beginning and the end of it.
func TestAnswersAreBounded(t *testing.T) {
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	large := strings.Repeat("large ", 10_000)
	execution := fmt.Sprintf(`{"uuid":%q,"name":"f","status":"Failed","error":{"message":%q,"server_traceback":%q},"created":"2026-01-31 15:04:05.000000+00:00"}`, id, large, large)
	function := fmt.Sprintf(`{"name":"f","rid":"r","version":1,"encoding":"plain","code":"","created":"2026-01-31 15:04:05.000000+00:00","updated":"2026-01-31 15:04:05.000000+00:00","context_keys":[%s"last"]}`,
		strings.Repeat(`"a name",`, 100_000))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodDelete:
			fmt.Fprintf(w, `{"message":"stopped","changed":true,%s`, execution[1:])
		case strings.HasPrefix(r.URL.Path, "/v1/functions/"):
			fmt.Fprint(w, function)
		default:
			fmt.Fprintf(w, `[%s%s]`, strings.Repeat(execution+",", 19), execution)
		}
	}))
	defer server.Close()
	c, err := client.New(client.Options{URL: server.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	here, there := mcp.NewInMemoryTransports()
	if _, err := agent.NewServer(c, agent.Options{}).Connect(t.Context(), here, nil); err != nil {
		t.Fatal(err)
	}
	model, err := mcp.NewClient(&mcp.Implementation{Name: "model"}, nil).Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	const most = 300 << 10
	for tool, arguments := range map[string]map[string]any{
		"list_executions":  {"done": true},
		"cancel_execution": {"id": id},
		"get_function":     {"name": "f"},
	} {
		result, err := model.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		text := result.Content[0].(*mcp.TextContent).Text
		if result.IsError || len(text) > most || len(text) < 1000 {
			t.Errorf("%s answers with %d bytes, an error: %t: %.200s", tool, len(text), result.IsError, text)
		}
	}
}
