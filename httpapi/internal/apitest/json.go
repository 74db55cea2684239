package apitest

import (
	"encoding/json"
	"testing"
)

// JSONBody returns a JSON object.
func JSONBody(t *testing.T, members map[string]any) string {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const WholeJob = `{
  "metadata": {"name": "nightly", "displayName": "Every night", "labels": {"team": "a"}, "createdBy": "x", "plan": "free"},
  "spec": {
    "enabled": true, "function": "hello.py", "region": "eu-lon-1", "volumes": [], "policies": null,
    "runtime": {"memory": 64, "timeout": 90, "maxRetries": 2, "maxConcurrentTasks": 5, "generation": "mk3", "image": "", "ports": [],
      "envs": [{"name": "OPEN", "value": "o"}, {"name": "KEY", "value": "s3cret", "secret": true}]},
    "triggers": [
      {"id": "night", "type": "cron", "enabled": false,
       "configuration": {"schedule": "0 3 * * *", "timezone": "Europe/Rome", "missed": "catchup", "tasks": [{"a": 1}]}},
      {"id": "hook", "type": "http-async",
       "configuration": {"path": "in/hook", "callbackUrl": "https://a.example/b", "callbackSecret": "s3cret", "retry": 3, "authenticationType": "private"}},
      {"id": "once", "type": "http-async", "configuration": {"path": "once", "callbackUrl": "https://a.example/c", "callbackSecret": "x", "retry": 0}},
      {"id": "now", "type": "http", "configuration": {"path": "now", "timeout": 1.5}}]
  }
}`
