import type { ConnectRouter } from '@connectrpc/connect';
import {
  CompletionService,
  ControlService,
  DaemonService,
  HarnessService,
  Health,
  TaskService,
  TelemetryService,
} from '@singletree/protocol';
import type { Catalogue } from '../plugins/catalogue.ts';
import { completionService } from './completions/completion-service.ts';
import { controlService, type ControlServiceParts } from './control-service.ts';
import { daemonService, harnessService, type DaemonServiceParts } from './daemon-service.ts';
import { healthService } from './health-service.ts';
import { reflect } from './reflection-service.ts';
import { taskService, type TaskServiceParts } from './task-service.ts';
import { telemetryService, type TelemetryServiceParts } from './telemetry-service.ts';

export interface Services {
  readonly tasks: TaskServiceParts;
  readonly control: ControlServiceParts;
  readonly daemon: DaemonServiceParts;
  readonly plugins: Catalogue;
  readonly telemetry: TelemetryServiceParts;
  /** Aborted when no more tasks are taken. */
  readonly stopping: AbortSignal;
}

/** Every service that the daemon speaks, and what tells strangers of them. */
export function routes({ tasks, control, daemon, plugins, telemetry, stopping }: Services): (router: ConnectRouter) => void {
  return (router) => {
    router
      .service(TaskService, taskService(tasks))
      .service(CompletionService, completionService(tasks))
      .service(ControlService, controlService(control))
      .service(HarnessService, harnessService(plugins))
      .service(DaemonService, daemonService(daemon))
      .service(TelemetryService, telemetryService(telemetry));
    const served = [...new Set(router.handlers.map(({ service }) => service))];
    router.service(Health, healthService(served, stopping));
    reflect(router, [...served, Health]);
  };
}
