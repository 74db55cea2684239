// The pages that are loaded when one of them is first shown.
import type { PageProps } from "../lazy";
import { AccessPage } from "./access";
import { DeadLettersPage } from "./deadletters";
import { JobExecutionPage, JobPage, JobsPage } from "./jobs";
import { MetricsPage } from "./metrics";
import { QueuePage } from "./queue";
import { SchedulesPage } from "./schedules";
import { ServerPage } from "./server";
import { TenantsPage } from "./tenants";

export default function More({ view, rest }: PageProps) {
  switch (view) {
    case "jobs":
      return rest.length > 1 ? <JobExecutionPage job={rest[0]} id={rest[1]} /> : rest.length > 0 ? <JobPage name={rest[0]} /> : <JobsPage />;
    case "schedules":
      return <SchedulesPage />;
    case "queue":
      return <QueuePage />;
    case "deadletters":
      return <DeadLettersPage id={rest[0]} />;
    case "metrics":
      return <MetricsPage />;
    case "access":
      return <AccessPage />;
    case "tenants":
      return <TenantsPage name={rest[0]} />;
  }
  return <ServerPage />;
}
