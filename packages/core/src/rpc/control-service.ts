import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  EngageKillSwitchResponseSchema,
  KillSwitchSchema,
  ListKillSwitchesResponseSchema,
  ReleaseKillSwitchResponseSchema,
  SurvivingProcessSchema,
  type ControlService,
  type KillSwitch,
} from '@singletree/protocol';
import type { Control } from '../control.ts';
import type { ClientRequest } from '../engine/request.ts';
import type { Catalogue } from '../plugins/catalogue.ts';
import type { Store } from '../store/store.ts';
import type { KillSwitch as DomainKillSwitch } from '../task/scopes.ts';
import { scopeFrom } from './scope.ts';
import { opt } from './to-proto/parts.ts';

export interface ControlServiceParts {
  readonly control: Control;
  readonly store: Store;
  readonly plugins: Catalogue;
}

export function controlService({ control, store, plugins }: ControlServiceParts): ServiceImpl<typeof ControlService> {
  /** A switch is taken back by the text that it is listed with, also when its directory or its harness is no more. */
  const thrownScope = async (text: string): Promise<string> => {
    const thrown = await store.killSwitches();
    return thrown.some(({ scope }) => scope === text) ? text : await scopeFrom(text, plugins);
  };
  return {
    async engageKillSwitch(request) {
      const { by, why, requestId } = request;
      const scope = await scopeFrom(request.scope, plugins);
      const wish = { scope, by: by === undefined || by === '' ? 'client' : by, ...(why === undefined || why === '' ? {} : { why }) };
      const { killSwitch, taskIds, complete, survivors } = await control.engage(wish, asked(requestId, { ...wish, scope: request.scope }));
      return create(EngageKillSwitchResponseSchema, {
        killSwitch: killSwitchToProto(killSwitch),
        taskIds: [...taskIds],
        complete,
        survivors: survivors.map(({ pid, taskId, command }) => create(SurvivingProcessSchema, { pid, taskId, ...opt('command', command) })),
      });
    },

    async releaseKillSwitch(request) {
      const scope = await thrownScope(request.scope);
      const released = await control.release(scope, asked(request.requestId, { release: request.scope }));
      return create(ReleaseKillSwitchResponseSchema, { released, killSwitches: (await store.killSwitches()).map(killSwitchToProto) });
    },

    async listKillSwitches() {
      return create(ListKillSwitchesResponseSchema, { killSwitches: (await store.killSwitches()).map(killSwitchToProto) });
    },
  };
}

export function killSwitchToProto({ scope, by, why, at }: DomainKillSwitch): KillSwitch {
  return create(KillSwitchSchema, { scope, by, ...opt('why', why), at: timestampFromMs(at) });
}

function asked(requestId: string, content: object): ClientRequest | undefined {
  return requestId === '' ? undefined : { id: requestId, content };
}
