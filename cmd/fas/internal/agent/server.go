package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// maxText is the largest number of bytes of one text in an answer, such as logs or a result: more would
// fill the context of a model.
const maxText = 64 << 10

// maxAnswer is the largest number of bytes of a whole answer, such as a list, for the same reason.
const maxAnswer = 4 * maxText

const instructions = `faaspot runs Python functions, each call in a sandbox of its own. A function is Python 3.13 code that
defines main(args, context): args is the JSON object of the call, context has settings and secrets of the function, and
the return value must be JSON. The standard library is there, and pure Python packages if they are deployed as a bundle
with "fas deploy". A function reaches the network only as far as its rules in allow permit. What it prints is its log.

Deploy with deploy_function, call with run_function, and look at read_logs and at the error of an execution, which names
the line, when a run fails.`

// Options are the options of [NewServer].
type Options struct {
	Version  string // of the program
	ReadOnly bool   // offer no tool that changes something or runs code
}

// tools are the tools for one server.
type tools struct {
	c *client.Client
}

// NewServer returns a server whose tools use c. They may be called concurrently.
func NewServer(c *client.Client, o Options) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "faaspot", Title: "faaspot at " + c.URL(), Version: o.Version},
		&mcp.ServerOptions{Instructions: instructions})
	t := &tools{c}
	t.addReading(s)
	if !o.ReadOnly {
		t.addWriting(s)
	}
	return s
}

// effect says what a tool does, by which a program decides whether it asks its user.
type effect int

const (
	reads effect = iota
	adds
	destroys
)

// add adds a tool. In is a struct: its fields are the arguments, and their tags jsonschema describe them.
// What call returns is the answer, as JSON; a string is the answer as it is.
func add[In any](s *mcp.Server, name, description string, e effect, call func(context.Context, In) (any, error)) {
	schema, err := jsonschema.For[In](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage](): {Type: "object"},
	}})
	if err != nil {
		panic(fmt.Sprintf("agent: the arguments of %s: %v", name, err)) // their type is wrong
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		panic(fmt.Sprintf("agent: the schema of %s: %v", name, err))
	}
	tool := &mcp.Tool{
		Name: name, Description: description, InputSchema: schema,
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: e == reads, DestructiveHint: new(e == destroys), OpenWorldHint: new(e == adds)},
	}
	s.AddTool(tool, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		in, err := decode[In](r.Params.Arguments, resolved)
		if err != nil {
			return failed(err), nil
		}
		answer, err := call(ctx, in)
		if err != nil {
			return failed(err), nil
		}
		text, err := toText(answer)
		if err != nil {
			return nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: cutTo(text, maxAnswer)}}}, nil
	})
}

// decode reads the arguments of a call, with the numbers in them as they are. A model learns from the
// error what it did wrong.
func decode[In any](arguments json.RawMessage, schema *jsonschema.Resolved) (in In, err error) {
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	var given map[string]any
	if err := json.Unmarshal(arguments, &given); err != nil {
		return in, fmt.Errorf("the arguments are not a JSON object: %w", err)
	}
	if err := schema.Validate(given); err != nil {
		return in, fmt.Errorf("the arguments are not valid: %w", err)
	}
	return in, json.Unmarshal(arguments, &in)
}

func toText(answer any) (string, error) {
	if text, ok := answer.(string); ok {
		return text, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(answer)
	return strings.TrimSuffix(out.String(), "\n"), err
}

// failed returns the result of a call that has failed, for the model: what failed, and what to do.
func failed(err error) *mcp.CallToolResult {
	text := err.Error()
	if coded, ok := errors.AsType[*runtime.Error](err); ok {
		text = string(coded.Code) + ": " + coded.Message
		if coded.Line > 0 {
			text += fmt.Sprintf("\nline: %d", coded.Line)
		}
		if coded.Traceback != "" {
			text += "\n" + strings.TrimRight(coded.Traceback, "\n")
		}
		if coded.Hint != "" {
			text += "\nhint: " + coded.Hint
		}
	}
	return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: cut(text)}}}
}

// cut returns a text of at most about maxText bytes: its beginning and its end.
func cut(text string) string { return cutTo(text, maxText) }

// cutTo is cut for a text of at most about most bytes.
func cutTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most/2], "") +
		fmt.Sprintf("\n... %d bytes are left out ...\n", len(text)-most) +
		strings.ToValidUTF8(text[len(text)-most/2:], "")
}
