package blaxel_test

import (
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

func TestMain(m *testing.M) { apitest.Main(m) }
