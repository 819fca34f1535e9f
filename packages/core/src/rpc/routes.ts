import type { ConnectRouter } from '@connectrpc/connect';
import { ControlService, DaemonService, HarnessService, TaskService } from '@singletree/protocol';
import type { Catalogue } from '../plugins/catalogue.ts';
import { controlService, type ControlServiceParts } from './control-service.ts';
import { daemonService, harnessService, type DaemonServiceParts } from './daemon-service.ts';
import { taskService, type TaskServiceParts } from './task-service.ts';

export interface Services {
  readonly tasks: TaskServiceParts;
  readonly control: ControlServiceParts;
  readonly daemon: DaemonServiceParts;
  readonly plugins: Catalogue;
}

/** Every service that the daemon speaks. */
export function routes({ tasks, control, daemon, plugins }: Services): (router: ConnectRouter) => void {
  return (router) =>
    router
      .service(TaskService, taskService(tasks))
      .service(ControlService, controlService(control))
      .service(HarnessService, harnessService(plugins))
      .service(DaemonService, daemonService(daemon));
}
