package server

import (
	"fmt"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/egress"
)

// Setting is a setting in force, without secrets.
type Setting struct {
	Name  string
	Value string
	From  string // the flag, variable or line of a file that has set it
}

// Check returns everything that is wrong with the options, as far as that can be known without starting
// anything.
func (o Options) Check() error {
	var errs runtime.Errors
	errs.Add("listen", checkAddress(o.Listen))
	if o.HealthListen != "" {
		errs.Add("health-listen", checkAddress(o.HealthListen))
	}
	if o.Grace < 0 {
		errs.Add("grace", clierror.Usagef("give a duration, such as 30s", "the --grace %v is negative", o.Grace))
	}
	if o.RetentionCount < 1 {
		errs.Add("retention-count", clierror.Usagef("give a number from 1 on", "the --retention-count %d is not positive", o.RetentionCount))
	}
	if n := max(o.Workers, o.OwnWorkers); n > MaxWorkers || min(o.Workers, o.OwnWorkers) < 0 {
		errs.Add("workers", clierror.Usagef(fmt.Sprintf("give numbers from 0 to %d", MaxWorkers),
			"the --workers %d or the --own-workers %d are out of bounds", o.Workers, o.OwnWorkers))
	}
	errs.Add("tenants", o.TenantLimits.Validate())
	if l := o.TenantLimits; l.RequestBurst > 0 && l.RequestsPerSecond == 0 {
		errs.Add("tenant-request-burst", clierror.Usagef("give --tenant-requests too, or leave the burst out", "--tenant-request-burst has no effect without --tenant-requests"))
	}
	errs.Add("public-url", httpapi.CheckBaseURL(o.PublicURL))
	_, err := egress.NewNetworks(egress.NetworkOptions{Allow: o.EgressAllow, Ceiling: o.EgressCeiling, Proxy: o.EgressProxy})
	errs.Add("egress", err)
	_, err = Secrets{Data: o.Data, File: o.SecretsFile, Environ: o.Environ}.given()
	errs.Add("secrets-file", err)
	errs.Add("tls", o.checkTLS())
	errs.Add("cluster", o.checkCluster())
	if o.OTLPEndpoint != "" {
		_, _, err = traceOptions(o.OTLPEndpoint, o.OTLPSampleRatio, o.Environ)
		errs.Add("otlp-endpoint", err)
	}
	return errs.Err()
}
