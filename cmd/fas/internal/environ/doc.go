// Package environ reads the process environment: the names of the FAASPOT_* variables, and the
// folder and the profile file that they select.
package environ
